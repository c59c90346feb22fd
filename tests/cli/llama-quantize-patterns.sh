# Patterns are ECMAScript's: \A and \h are letters there, not anchors and classes as in Perl. What the two read differently is refused.
G="$FIXTURES/gguf/gqa2-3/gqa2-3.gguf"
for pattern in '\Attn_v' '\h' 'A\tt' '[[:alpha:]]ttn_[v]' '(?:attn|no)_v.*?w' '\x61ttn_v' 'n{1,1}_v' '[a\]]ttn_v'; do
    printf '%s\n' "$pattern"
    "$REPAQ" llama-quantize --dry-run --tensor-type "$pattern=q4_0" "$G" Q8_0 | grep -A2 "^type *Q4_0"
done
for pattern in 'a++' 'a{1}?+' 'a{2' 'a{,2}' '(?i)a' '(?#a)b' '(*pla:a)' '[]a]' '[^]' '[[.a.]]' '[[:<:]]' '[[:ascii:]]' '\x6' '\ca' '\u0061' '\10' 'a\'; do
    "$REPAQ" llama-quantize --tensor-type "$pattern=q4_0" "$G" no.gguf Q8_0; echo "exit $?"
done
ls
