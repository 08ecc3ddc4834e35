"""What daemons tell on their private listeners, read as Prometheus would."""

import re
import socket

LINE = re.compile(r'^([a-z_:][a-z0-9_:]*)(?:\{([^}]*)\})? (-?[0-9.e+-]+|NaN)$')
LABEL = re.compile(r'[a-z_]+="([^"]*)"')


def exchange(address, request=b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", timeout=20):
    """(status, headers, body) from a path or a port."""
    with socket.socket(socket.AF_INET if isinstance(address, int) else socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(("127.0.0.1", address) if isinstance(address, int) else str(address))
        s.sendall(request)
        answer = b""
        while piece := s.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    return int(lines[0].split()[1]), dict(l.lower().split(": ", 1) for l in lines[1:]), body.decode()


def refuses_too_much(path):
    """More than a request can be: the end."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(path))
        s.sendall(b"x" * 5000)
        try:
            return s.recv(1) == b""
        except ConnectionResetError:
            return True


def socket_of(stack, process=0):
    return stack.run_dir / f"stat-{process}.sock"


def parse(text):
    """name -> value, or name -> {label value: value} (values of several labels: "image,ok"); complains of what is not the text format."""
    values, types, helped = {}, {}, set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped.add(line.split()[2])
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in types and kind in ("counter", "gauge", "histogram"), line
            types[name] = kind
        else:
            name, labels, value = LINE.match(line).groups()
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in types or types.get(base) == "histogram", f"{line}: without a type"
            if labels:
                found = LABEL.findall(labels)
                assert len(found) == labels.count(",") + 1, line
                at = ",".join(found)
                assert at not in values.setdefault(name, {}), line
                values[name][at] = float(value)
            else:
                assert name not in values, line
                values[name] = float(value)
    assert set(types) == helped and text.endswith("\n")
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in types.items()), types
    return values


def scrape(stack, process=0):
    """Of peal-push's process of that number, or of another daemon ("media", "jobs")."""
    status, headers, body = exchange(socket_of(stack, process))
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4") and int(headers["content-length"]) == len(body)
    return parse(body)
