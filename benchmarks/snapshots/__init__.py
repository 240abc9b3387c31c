"""A snapshot of a million records beside a stream of live changes, measured."""
