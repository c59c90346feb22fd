# Buffers of rotary embeddings are left out, as models compute them: of the same theta, or the model would be another.
cp -r "$FIXTURES/meta/tiny-mp2" src
grep -o '"rope_theta": [0-9.]*' src/params.json
"$REPAQ" convert src ok --to hf 2>&1 | grep rope
python3 - <<'END'
import json
params = json.load(open("src/params.json"))
params["rope_theta"] = 1e6
json.dump(params, open("src/params.json", "w"))
END
"$REPAQ" convert src out --to hf 2>&1 | grep rope
