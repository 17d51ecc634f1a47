"""The tagger: what it is, how it scores without padding, how Keras builds and trains it, how it is judged."""
