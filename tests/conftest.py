"""What all tests share: how hypothesis searches."""

from hypothesis import Phase, settings

# The same examples everywhere and always; a failing one is printed as found, since shrinking it can take minutes.
settings.register_profile(
    "house", deadline=None, derandomize=True, max_examples=50, phases=[Phase.explicit, Phase.generate, Phase.target]
)
settings.load_profile("house")
