"""Fixtures of notifications: push services of our own, which the stack is told of before it starts."""

import pathlib
import shutil
import tempfile
import time

import pytest

from peal.people import Person
from peal.pushes import Authority, Browser, Google, Service

QUIET = 1.0     # as long as a notification that is not sent would take to come, and more


@pytest.fixture(scope="module")
def elsewhere():
    """A folder that the services' user may read, an authority, a push service and Google."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="peal-push-", dir="/tmp"))
    folder.chmod(0o755)
    authority = Authority(folder)
    service, google = Service(authority), Google(authority, folder)
    yield folder, authority, service, google
    service.close()
    google.close()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stack(request, new_stack, elsewhere):
    folder, authority, service, google = elsewhere
    options = dict(getattr(request.module, "STACK", {}))
    settings = {"egress_ca_file": authority.ca, "egress_private_hosts": f"{service.host} {google.service.host}",
                "fcm_service_account_file": google.file, "fcm_url": google.service.url, **options.pop("settings", {})}
    made = new_stack(settings=settings, **options)
    if made.root:
        shutil.chown(google.file, made.user.pw_uid, made.user.pw_gid)
    google.file.chmod(0o600)
    for pattern in getattr(request.module, "ALLOWED_LOG", []):
        made.allow(pattern)
    with made:
        yield made


@pytest.fixture
def service(elsewhere):
    return elsewhere[2]


@pytest.fixture
def google(elsewhere):
    return elsewhere[3]


@pytest.fixture
def two(stack, service):
    """Somebody who writes, somebody with a browser who is told, and their direct conversation."""
    a, b = Person(stack, "ann"), Person(stack, "ben")
    conversation = a.start(b)
    browser = Browser(service).register(b)
    return a, b, conversation, browser


@pytest.fixture
def nothing_comes():
    def check(browser, n=0):
        time.sleep(QUIET)
        assert len(browser.arrivals()) == n, browser.said()
    return check
