# The portal and the jobs, for a hosted or self-hosted Supabase; keys come from the environment at run time.
FROM python:3.11-slim
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/fairshare
COPY requirements.txt ./
RUN pip install --no-deps -r requirements.txt
COPY . .
RUN pip install --no-deps setuptools==84.2.1 && pip install --no-deps --no-build-isolation -e . \
    && useradd --create-home --uid 10001 fairshare
USER fairshare
EXPOSE 8501
ENTRYPOINT ["python", "-P", "-m", "cli"]
CMD ["portal", "--host", "0.0.0.0"]
