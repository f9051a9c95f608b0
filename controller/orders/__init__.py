"""Orders: one action on its way on given targets, from who gives it to what came of it.

`order` has the nouns, `actions` what can be ordered, `site` the rasps and relays; `rasps` and
`power` do what is ordered, `orders` takes orders and sees to them, `book` keeps them, `api` is the
way in for programs.
"""
