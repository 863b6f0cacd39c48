"""What only the browser can do: send a form to a route of this server, so that it may set a cookie.

The script is fixed text; the values travel as data and become form fields, never markup.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

_POST = """
export default function(component) {
  const { data } = component;
  if (!data || window.__fairsharePosting) return;
  window.__fairsharePosting = true;
  const form = document.createElement('form');
  form.method = 'post';
  form.action = data.action;
  for (const [name, value] of Object.entries(data.fields)) {
    const input = document.createElement('input');
    input.type = 'hidden'; input.name = name; input.value = value;
    form.appendChild(input);
  }
  document.body.appendChild(form);
  form.submit();
}
"""


def post_form(action: str, fields: Mapping[str, str], *, key: str) -> None:
    """Lets the browser post `fields` to `action`, a path of this server, and follow the answer. Once a page."""
    if not action.startswith("/") or action.startswith("//"):
        raise ValueError(f"{action!r} is not a path of this server")
    component = st.components.v2.component("fairshare_post_form", js=_POST)
    component(key=key, data={"action": action, "fields": dict(fields)})
