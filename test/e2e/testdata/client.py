#!/usr/bin/env python3
"""Takes one video through Fotograma's HTTP API and checks what comes back.

Written against the API's description alone, with nothing but Python's standard
library: client.py API VIDEO prints, as JSON, what it found in the archive.
"""

import hashlib
import io
import json
import os
import secrets
import sys
import time
import urllib.request
import zipfile


def call(api, method, path, body=None, token=None):
    request = urllib.request.Request(api + path, method=method)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    if token is not None:
        request.add_header("Authorization", "Bearer " + token)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def form(fields, name, data):
    """Encodes multipart/form-data: the fields first, the file last."""
    boundary = secrets.token_hex(16)
    out = io.BytesIO()
    for key, value in fields.items():
        out.write(f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode())
    out.write(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
              "Content-Type: application/octet-stream\r\n\r\n".encode())
    out.write(data)
    out.write(f"\r\n--{boundary}--\r\n".encode())
    return "multipart/form-data; boundary=" + boundary, out.getvalue()


def upload(upload, name, data):
    assert upload["method"] == "POST", upload
    media, body = form(upload["fields"], name, data)
    request = urllib.request.Request(upload["url"], data=body, method="POST", headers={"Content-Type": media})
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status in (200, 201, 204), response.status


def wait(api, video, token):
    """Polls until the video has ended; its progress must never fall."""
    progress, deadline = 0, time.monotonic() + 120
    while time.monotonic() < deadline:
        seen = call(api, "GET", "/videos/" + video, token=token)
        assert progress <= seen["progress"] <= 1, (progress, seen)
        progress = seen["progress"]
        if seen["status"] in ("completed", "failed", "cancelled"):
            return seen
        time.sleep(0.2)
    raise TimeoutError(seen)


def check(archive, size, sha256):
    """Checks an archive against what was promised of it, and against itself."""
    assert len(archive) == size and sha256 in (None, hashlib.sha256(archive).hexdigest())
    with zipfile.ZipFile(io.BytesIO(archive)) as frames:
        assert frames.testzip() is None
        manifest = json.loads(frames.read("manifest.json"))
        assert frames.namelist() == [f["file"] for f in manifest["frames"]] + ["manifest.json"]
        for number, frame in enumerate(manifest["frames"], 1):
            data = frames.read(frame["file"])
            assert frame["index"] == number and frame["size"] == len(data), frame
            assert hashlib.sha256(data).hexdigest() == frame["sha256"], frame
            assert data.startswith(b"\x89PNG\r\n\x1a\n"), frame
            assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (frame["width"], frame["height"]), frame
    return manifest


def main(api, path):
    with open(path, "rb") as file:
        film = file.read()
    person = {"email": f"python-{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe(16)}
    call(api, "POST", "/auth/register", person)
    token = call(api, "POST", "/auth/login", person)["access_token"]
    name = os.path.basename(path)
    created = call(api, "POST", "/videos", {
        "filename": name, "size": len(film), "content_type": "video/mp4", "sha256": hashlib.sha256(film).hexdigest(),
        "extraction": {"mode": "fps", "fps": 2, "start": 1, "end": 6, "format": "png"},
    }, token)
    upload(created["upload"], name, film)
    # Nothing more is said: S3's own notification starts the work.
    video = wait(api, created["video"]["id"], token)
    assert video["status"] == "completed", video
    download = call(api, "GET", f"/videos/{video['id']}/download", token=token)
    with urllib.request.urlopen(download["url"], timeout=60) as response:
        archive = response.read()
    manifest = check(archive, download["size"], download.get("sha256"))
    assert manifest == call(api, "GET", f"/videos/{video['id']}/manifest", token=token)
    assert manifest["video"]["sha256"] == hashlib.sha256(film).hexdigest(), manifest["video"]
    print(json.dumps({"times": [f["time"] for f in manifest["frames"]]}))


if __name__ == "__main__":
    main(sys.argv[1] + "/v1", sys.argv[2])
