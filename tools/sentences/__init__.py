"""Shows which configured words no sentence needs, and proposes sentences for them.

    python -m tools.sentences            names words that no sentence of the file needs
    python -m tools.sentences --write    adds a sentence for each, where one is found

The file is tests/grammar/sentences.yaml. A word for which none is found changes nothing: another
form of it or another list covers it, and it can go from the configuration.
"""
