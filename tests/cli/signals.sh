# A stop by SIGINT, SIGTERM or SIGHUP at any moment leaves nothing of what was under way, whatever the command.
$MAKE floats src 2> /dev/null || cp -r "$FIXTURES"/msmodelslim/ms-qwen2-w4a16-awq-g64-sym-mixedfloat-safe src
"$REPAQ" bundle src whole.zip > /dev/null
python3 - "$REPAQ" <<'PY'
import os, shutil, signal, subprocess, sys, time
repaq, allowed = sys.argv[1], sorted(os.listdir(".")) 
commands = (["convert", "src", "out", "--to", "gptq", "--verify"], ["convert", "src", "out.gguf", "--to", "gguf"], ["bundle", "src", "out.zip"],
            ["unbundle", "whole.zip", "out"], ["convert", "whole.zip", "out", "--to", "hf"])
for words in commands:
    faults = set()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        for pause in (0.001, 0.004, 0.01, 0.03):
            run = subprocess.Popen([repaq, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                                   preexec_fn=lambda: [signal.signal(n, signal.SIG_DFL) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)])
            time.sleep(pause)
            run.send_signal(number)
            code = run.wait(timeout=60)
            left = [name for name in sorted(os.listdir(".")) if name not in allowed]
            if code not in (0, 128 + number, -number):  # done, stopped, or not yet begun
                faults.add("exit %d" % code)
            if left and (code != 0 or len(left) != 1 or left[0].startswith(".")):
                faults.add("left %s" % left)
            for name in left:
                shutil.rmtree(name) if os.path.isdir(name) else os.unlink(name)
    print(words[0], words[2], sorted(faults) or "clean")
PY
