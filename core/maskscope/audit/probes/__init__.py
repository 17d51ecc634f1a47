"""What the checks measure with.

`context` is plain data; the modules above it compute on it, and `audit_probes` joins them for the checks. Modules
that import Keras are imported inside functions throughout the audit: the window, the report page and the command line
import the audit's names, and starting TensorFlow takes seconds.
"""
