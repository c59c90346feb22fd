# Progress as JSON lines on stderr.
$MAKE awq src; "$REPAQ" convert src out --to gptq --progress json 2>lines >/dev/null; python3 -c "import json; lines = [json.loads(line) for line in open('lines')]; print(sorted(lines[-1]), lines[-1]['bytes'] == lines[-1]['total_bytes'] > 0, lines[-1]['tensors'])"
