"""The portal: a Streamlit app over the shared modules. Pages are thin; what they show is read in `readers.py`."""
