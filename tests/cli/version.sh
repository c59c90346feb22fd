# --version names the program and its version.
"$REPAQ" --version
