"""Drawing a DAG in terminal cells so that every link can be read back from the picture.

The way from a flow to cells, each step a module without textual:

    graph     what is drawn (GraphModel) and how each node looks just now (Look)
    fold      identical siblings become one node, named groups become one frame
    layers    a level for every node          order    fewest crossings inside the levels
    place     coordinates across the levels   route    lines between two levels
    layout    all of it, for every weak component, packed on one canvas
    paint     any range of rows of that canvas as text
    export    Mermaid, DOT, JSON, SVG

`cycles` and `critical` answer questions about the shape; `widget` puts the picture into Textual.
"""
