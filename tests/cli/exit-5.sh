# Valid, but not handled.
mkdir src; echo weights >src/pytorch_model.bin; "$REPAQ" inspect src
