"""The Queue page: what is in Postgres, shown inside Flower, with actions for operators.

`install` puts it into Flower's command. `guard` decides who may see and do what. `views` reads, one function for each
kind of data; `actions` changes, through the operators' arrows, so that everything leaves an audit row. The browser
gets one template, plain modules of JavaScript, and JSON.
"""
