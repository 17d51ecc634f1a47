"""The dialogs: each says what it needs, refuses in a sentence beside the field it concerns, and never freezes."""
