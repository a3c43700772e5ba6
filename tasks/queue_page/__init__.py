"""The Queue page. It is a part of Flower. It shows the queue in Postgres, and offers actions to operators.

`install` puts the page into Flower's command. `guard` decides who may see the page, and who may change something.
`views` reads data, with one function for each kind of data. `actions` makes changes through the operators' functions,
so that every change leaves an audit row. The browser gets one template, plain JavaScript modules, and JSON.
"""
