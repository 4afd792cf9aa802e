"""One hypothesis profile for every test: no deadlines (timings are no test's business), nothing stored."""

from hypothesis import settings

settings.register_profile("project", deadline=None, database=None, print_blob=True)
settings.load_profile("project")
