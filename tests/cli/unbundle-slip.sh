# Names that lead out of the directory.
python3 -c 'import zipfile; z = zipfile.ZipFile("m.zip", "w"); z.writestr("../evil", "x")'; "$REPAQ" unbundle m.zip out; code=$?; ls -A; exit $code
