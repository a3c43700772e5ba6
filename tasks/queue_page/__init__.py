"""The Queue page. It shows inside Flower what is in Postgres, and has actions for operators.

`install` puts the page into Flower's command. `guard` decides who may see and do what. `views` reads; it has one
function for each kind of data. `actions` makes changes through the operators' arrows, so that every change leaves an
audit row. The browser gets one template, plain JavaScript modules, and JSON.
"""
