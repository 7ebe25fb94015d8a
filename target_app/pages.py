"""The pages that people see."""

from __future__ import annotations

from html import escape

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 38rem; margin: 3rem auto; padding: 0 1rem;
  color: #1a1a1a; background: #fff; }}
h1 {{ font-size: 1.6rem; }}
a {{ color: #0b5394; }}
@media (prefers-color-scheme: dark) {{ body {{ color: #eee; background: #161616; }}
  a {{ color: #8ab4f8; }} }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{content}
</main>
</body>
</html>
"""


def page(title: str, content: str) -> bytes:
    """A page; `content` is HTML, `title` is text."""
    return _FRAME.format(title=escape(title), content=content).encode()


HOME = page(
    "Programme registration",
    """<p>Register in four steps. Have your identity card at hand.</p>
<ol>
<li>Register with your e-mail address.</li>
<li>Follow the link in the mail.</li>
<li>Enter your identity: it is checked against the civil registry.</li>
<li>Wait for the result; you get it by mail.</li>
</ol>
<p>Seats are drawn among everybody who joins, whoever came first. There is no need to hurry.</p>
<p>For programs: <a href="/docs">how to talk to this service</a>.</p>""",
)


def confirm_email(token: str) -> bytes:
    """The page behind the link in the mail: one press, so that link scanners verify nothing."""
    return page(
        "Verify your e-mail address",
        f"""<p>Press the button to confirm that this address is yours.</p>
<button id="verify" data-token="{escape(token, quote=True)}">Verify</button>
<p id="said" role="status"></p>
<script>
document.getElementById("verify").onclick = async (event) => {{
  const answer = await fetch("/email-verifications", {{method: "POST",
    headers: {{"content-type": "application/json"}},
    body: JSON.stringify({{token: event.target.dataset.token}})}});
  document.getElementById("said").textContent =
    answer.ok ? "Your e-mail address is verified." : "This link is not valid.";
}};
</script>""",
    )
