"""Stand-in services behind the rule `app:MODULE`: each module has `answer(request)`."""
