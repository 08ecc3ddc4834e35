"""The way to a provider and back, as a browser goes it (OpenID Connect)."""

import http.client
import re
import ssl
import urllib.parse

from peal.rest import Client


class Browser:
    """As much of one as the way needs: cookies by host, path and lifetime, redirects one by one. `url`: where Peal is; `trust`: a CA's file."""

    def __init__(self, url, trust=None):
        self.url, self.trust = url, trust
        self.jar = {}
        self.visited = []

    def connect(self, parts):
        if parts.scheme == "https":
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=10, context=ssl.create_default_context(cafile=self.trust))
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)

    def take(self, url, lines):
        """Cookies that an answer sets."""
        netloc = urllib.parse.urlsplit(url).netloc
        for line in lines:
            pair, *attributes = [p.strip() for p in line.split(";")]
            name, value = pair.split("=", 1)
            path = next((a[5:] for a in attributes if a.lower().startswith("path=")), "/")
            gone = any(a.lower() == "max-age=0" for a in attributes) or "expires=thu, 01 jan 1970" in line.lower()
            if gone:
                self.jar.pop((netloc, path, name), None)
            else:
                self.jar[netloc, path, name] = value

    def go(self, url, form=None):
        parts = urllib.parse.urlsplit(url)
        self.visited.append(url)
        connection = self.connect(parts)
        cookies = [f"{n}={v}" for (host, path, n), v in self.jar.items() if host == parts.netloc and parts.path.startswith(path)]
        headers = {"Cookie": "; ".join(cookies)} if cookies else {}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("GET" if form is None else "POST", target or "/", form and urllib.parse.urlencode(form), headers)
        response = connection.getresponse()
        body = response.read().decode(errors="replace")
        self.take(url, response.headers.get_all("Set-Cookie") or [])
        location = response.headers.get("Location")
        connection.close()
        return response.status, location and urllib.parse.urljoin(url, location), body

    def follow(self, url, until):
        """Along redirects up to an address that begins with `until`, which is not visited, or a page."""
        for _ in range(12):
            if url.startswith(until):
                return url, None
            status, location, body = self.go(url)
            if status not in (302, 303):
                return url, body
            url = location
        raise AssertionError("redirects without an end")

    def through(self, label, name, url):
        """From an address that leads there through the provider's pages, as this person; returns where it ends."""
        back = f"{self.url}/api/v1/auth/oidc/{label}/callback"
        url, page = self.follow(url, f"{self.url}/?")
        while page is not None and (form := re.search(r'<form[^>]*action="([^"]+)"', page)):
            hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
            if 'name="login"' in page:
                hidden.update(login=name, password="any")
            status, location, _ = self.go(urllib.parse.urljoin(url, form[1]), hidden)
            assert status in (302, 303)
            url, page = self.follow(location, back)
        if page is None and "/callback" in url:
            status, url, _ = self.go(url)
            assert status == 303
        return url

    def sign_in(self, label, name, query=""):
        return self.through(label, name, f"{self.url}/api/v1/auth/oidc/{label}{query}")

    def refresh(self):
        """What the web client does when it starts: the session by its cookie."""
        token = self.jar.get((urllib.parse.urlsplit(self.url).netloc, "/api/v1/auth", "peal_refresh"))
        if token is None:
            return None
        reply = Client(self.url).post("/auth/refresh", {}, headers={"Sec-Fetch-Site": "same-origin", "Cookie": f"peal_refresh={token}"})
        return reply["access_token"] if reply.status == 200 else None

    def me(self):
        return Client(self.url, self.refresh()).get("/me", expect=200).json
