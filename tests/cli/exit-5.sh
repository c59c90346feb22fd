# Valid, but not handled.
mkdir src; echo weights >src/model.ckpt.npy; "$REPAQ" inspect src
