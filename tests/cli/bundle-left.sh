# What no archive of files can hold is told: hidden names at any depth, empty directories, pipes. Too deep a tree and a symbolic link in an archive are refused.
mkdir -p d/s/.h d/e/f; echo 1 >d/a; echo 2 >d/s/b; echo 3 >d/s/.c; mkfifo d/p
"$REPAQ" bundle d d.zip | sed 's/of .*//'; "$REPAQ" unbundle d.zip out | sed 's/:.*//'; find out | sort
mkdir -p deep/1/2/3/4/5/6/7/8/9; echo 1 >deep/1/2/3/4/5/6/7/8/9/x; "$REPAQ" bundle deep deep.zip; echo "exit $?"
python3 - <<'END'
import zipfile
with zipfile.ZipFile("links.zip", "w") as archive:
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    archive.writestr(link, "/etc/hostname")
with zipfile.ZipFile("folders.zip", "w") as archive:
    for name in ("d/", "e/", "d/x"):
        archive.writestr(name, "x" * name.endswith("x"))
END
"$REPAQ" unbundle links.zip links; echo "exit $?"; "$REPAQ" unbundle folders.zip folders | sed 's/:.*//'; find folders | sort; ls
