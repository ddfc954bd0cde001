"""Only look: what is wrong, why, and what to do. Nothing is changed."""

from deploy import looking

looking.doctor()
