# REPAQ_MEMORY is checked as --memory is.
REPAQ_MEMORY=many "$REPAQ" inspect "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe
