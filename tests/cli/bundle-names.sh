# Names of any bytes that a file system has survive: those that are no UTF-8 are not called so in the archive.
mkdir d d/inner
echo '{}' > d/config.json
for name in 'é' 'a b' '*?"<>|:' '-x' '~' 'inner/日本' "$(printf 'inner/\377\376')" "$(printf '\303')"; do printf '%s' "$name" > "d/$name"; done
"$REPAQ" bundle d d.zip | cut -d: -f2 | cut -d, -f1
"$REPAQ" unbundle d.zip again > /dev/null
diff -r d again && echo same
"$REPAQ" bundle again again.zip > /dev/null; cmp d.zip again.zip && echo 'and again'
printf x > "d/$(printf 'a\nb')"; "$REPAQ" bundle d no.zip; echo "exit $?"; rm "d/$(printf 'a\nb')"
printf x > 'd/a\b'; "$REPAQ" bundle d no.zip; echo "exit $?"; ls
