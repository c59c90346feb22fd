# A name that is a file's and a folder's.
python3 -c 'import zipfile; z = zipfile.ZipFile("m.zip", "w"); z.writestr("a", "x"); z.writestr("a/b", "y")'; "$REPAQ" unbundle m.zip out; code=$?; ls -A; exit $code
