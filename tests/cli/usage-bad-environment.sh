# REPAQ_THREADS is checked as --threads is.
REPAQ_THREADS=many "$REPAQ" inspect "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe
