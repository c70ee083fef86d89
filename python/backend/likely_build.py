"""The build backend of the Python package (PEP 517 and 660): a wheel of its files and the stubs, with the standard library alone."""
import base64
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def project():
    """Name, version and the rest of pyproject.toml's [project], whose values are one line each."""
    found, section = {}, None
    with open(os.path.join(ROOT, "pyproject.toml"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("["):
                section = line.strip()
            elif section == "[project]" and "=" in line:
                key, value = line.split("=", 1)
                found[key.strip()] = value.strip()
    return {key: value.strip('"') for key, value in found.items()}


def metadata():
    p = project()
    return ("Metadata-Version: 2.1\nName: %s\nVersion: %s\nSummary: %s\nLicense: Apache-2.0\nRequires-Python: %s\nRequires-Dist: numpy\n"
            % (p["name"], p["version"], p["description"], p["requires-python"]))


def stubs():
    """The stubs as the library's registry has them; None where the library is not found, which is said."""
    # PYTHONPATH is replaced, for pip's isolation hides NumPy behind it.
    made = subprocess.run([sys.executable, "-m", "likely._stubs"], env=dict(os.environ, PYTHONPATH=ROOT), cwd=ROOT, capture_output=True,
                          text=True, check=False)
    if made.returncode != 0:
        print("likely: no stubs: %s" % (made.stderr.strip().splitlines() or ["?"])[-1])
        return None
    return made.stdout


def sources():
    folder = os.path.join(ROOT, "likely")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            with open(os.path.join(folder, name), "rb") as file:
                yield "likely/" + name, file.read()


def wheel(folder, files, editable=False):
    """Writes a wheel of these (name, bytes), with its list of checksums."""
    p = project()
    info = "%s-%s.dist-info/" % (p["name"], p["version"])
    name = "%s-%s-py3-none-any.whl" % (p["name"], p["version"])
    files = list(files) + [(info + "METADATA", metadata().encode()),
                           (info + "WHEEL", b"Wheel-Version: 1.0\nGenerator: likely_build\nRoot-Is-Purelib: true\nTag: py3-none-any\n")]
    record = ""
    with zipfile.ZipFile(os.path.join(folder, name), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files:
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += "%s,sha256=%s,%d\n" % (path, digest, len(data))
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), data)
        archive.writestr(zipfile.ZipInfo(info + "RECORD", (1980, 1, 1, 0, 0, 0)), record + info + "RECORD,,\n")
    return name


def get_requires_for_build_wheel(config_settings=None):
    return []


get_requires_for_build_editable = get_requires_for_build_sdist = get_requires_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    files = list(sources())
    text = stubs()
    if text is not None:
        files += [("likely/__init__.pyi", text.encode()), ("likely/py.typed", b"")]
    return wheel(wheel_directory, files)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return wheel(wheel_directory, [("likely.pth", (ROOT + "\n").encode())])


def build_sdist(sdist_directory, config_settings=None):
    p = project()
    base = "%s-%s" % (p["name"], p["version"])
    with tarfile.open(os.path.join(sdist_directory, base + ".tar.gz"), "w:gz") as archive:
        for path in ["pyproject.toml", "backend/likely_build.py"] + [name for name, _ in sources()]:
            archive.add(os.path.join(ROOT, path), base + "/" + path)
        data = metadata().encode()
        entry = tarfile.TarInfo(base + "/PKG-INFO")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return base + ".tar.gz"
