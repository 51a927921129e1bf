"""Runs `make mutants`: how much of a wrong configuration and of wrong code do our tests notice?

A mutant is the project with one planted change. Each is tried in a folder of its own, which holds
links to the checkout and the one changed file, so the checkout itself is never written to:

1. A changed configuration that `smsgw keywords check` refuses is not counted.
2. `smsgw replay` runs the conversations, the nearest file first, until one differs.
3. pytest runs the nearest tests, until one fails.

The file or the test that noticed a change must agree without it, or all ends. What neither notices
has survived, and is printed with its place.

configuration.py  changes of the shipped keywords.yaml, wordings.py those of one wording;
                  source.py makes them in the text
code.py           changes of Python, one after the other; operators.py those of one node
modules.py        which Python files, in which group, with which tests: edit this when files move
harmless.yaml     changes that nobody could notice, each with the reason
overlay.py        the folder of one mutant; children.py, trials.py and run.py try the mutants in it
"""
