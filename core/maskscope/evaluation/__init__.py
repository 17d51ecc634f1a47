"""Token and entity scores, decoding, calibration and curves."""
