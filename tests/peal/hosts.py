"""A second host of REST workers: another master with sockets of its own; it shares the database and Redis with the first one."""

import contextlib
import os

from stack import Service


@contextlib.contextmanager
def second_master(stack, name="peal-fcgi-2", env=None, settings=None):
    """Its name while it runs; nginx asks both in turn. env, settings: variables and a configuration of its own."""
    run_dir = stack.run_dir / "b"
    run_dir.mkdir()
    os.chmod(run_dir, 0o700)
    stack._own(run_dir)
    conf = stack.dir / f"{name}.conf"
    conf.write_text("".join(f"{k} = {v}\n" for k, v in {**stack.conf, **(settings or {}), "run_dir": run_dir}.items()))
    stack._own(conf)
    first = stack.services["peal-fcgi"]
    service = Service(stack, name, [first.argv[0], "-c", conf], env={**first.env, **(env or {})})
    stack.services[name] = service
    site = stack.dir / "nginx" / "peal.conf"
    alone = site.read_text()
    both = alone
    for door in ("fast", "slow", "auth", "upload"):
        line = f'server "unix:{stack.run_dir}/{door}.sock";'
        assert both.count(line) == 1, f"{line} is not in {site}"
        both = both.replace(line, f'{line} server "unix:{run_dir}/{door}.sock";')
    service.start()
    try:
        site.write_text(both)
        stack.reload_nginx()
        yield name
    finally:
        site.write_text(alone)
        stack.reload_nginx()
        stack.stop(name)
