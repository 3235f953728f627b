# Included before anything is measured.
