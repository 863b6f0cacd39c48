"""The few pages outside Streamlit: what stands behind a mailed link. Plain HTML, no script, nothing from outside."""

from __future__ import annotations

import base64
import hashlib
from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #10201d; --soft: #55655f; --paper: #f3f6f4; --card: #ffffff;
  --line: #d5ded9; --brand: #0f766e; --on-brand: #ffffff; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6efec; --soft: #9fb2ab; --paper: #0e1614; --card: #17221f;
  --line: #2b3a35; --brand: #14857a; --on-brand: #ffffff; --bad: #fda29b; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 "Source Sans 3", "Source Sans Pro", system-ui, sans-serif; }
main { width: 100%; max-width: 26rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 14px; padding: 2rem; }
h1 { font-size: 1.4rem; margin: 0 0 .5rem; } p { margin: 0 0 1rem; color: var(--soft); }
p.bad { color: var(--bad); } label { display: block; font-weight: 600; margin-bottom: .75rem; }
input { display: block; width: 100%; margin-top: .25rem; padding: .6rem .7rem; font: inherit; color: inherit;
  background: var(--paper); border: 1px solid var(--line); border-radius: 8px; }
button, a.button { display: block; width: 100%; padding: .7rem; font: inherit; font-weight: 600; text-align: center;
  text-decoration: none; color: var(--on-brand); background: var(--brand); border: 0; border-radius: 8px;
  cursor: pointer; }
:focus-visible { outline: 3px solid var(--brand); outline-offset: 2px; }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

#: No script at all, no frame around it, no address handed on, nothing kept by caches.
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_WORDS = {
    "signup": ("Confirm your address", "One click, and your Fairshare account is ready.", "Confirm and sign in"),
    "recovery": ("Set a new password", "It signs you in here and signs you out everywhere else.", "Save and sign in"),
}

_RECOVERY_FIELDS = """
<label>New password (10 characters or more)
  <input type="password" name="password" autocomplete="new-password" minlength="10" required></label>
<label>The same again
  <input type="password" name="repeated" autocomplete="new-password" minlength="10" required></label>
"""


def _frame(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Fairshare</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def confirm(kind: str, token_hash: str, problem: str | None = None) -> str:
    """The form behind a link. `kind` is signup or recovery."""
    title, sentence, button = _WORDS[kind]
    wrong = f'<p class="bad" role="alert">{escape(problem)}</p>' if problem else ""
    fields = _RECOVERY_FIELDS if kind == "recovery" else ""
    return _frame(
        title,
        f'<p>{escape(sentence)}</p>{wrong}<form method="post" action="/auth/confirm">'
        f'<input type="hidden" name="type" value="{escape(kind, quote=True)}">'
        f'<input type="hidden" name="token_hash" value="{escape(token_hash, quote=True)}">'
        f'{fields}<button type="submit">{escape(button)}</button></form>',
    )


def problem(sentence: str) -> str:
    """A page that says what went wrong and leads back."""
    return _frame(
        "That did not work",
        f'<p class="bad" role="alert">{escape(sentence)}</p><a class="button" href="/">Back to Fairshare</a>',
    )
