"""Drawing a DAG in terminal cells so that every link can be read back from the picture.

The way from a flow to cells, each step a module without textual:

    graph     what is drawn (GraphModel) and how each node looks just now (Look)
    fold      identical siblings become one node, named groups become one node, only what is near
    layers    a level for every node (simplex: the shortest links), lanes for long links
    order     fewest crossings inside the levels; gather: members of a named group side by side;
              keep: everybody's place through an edit
    blocks    one weak component with all of that
    place     coordinates across the levels           route     lines between two levels
    measure   both, for one direction and zoom        layout    all components packed on one canvas
    amend     an edit of a large picture, only where it reaches: reshape has its levels, lanes and orders
    paint     any range of rows of that canvas as text, to print it
    trail     the cells of one link                   walk      where the cursor goes
    minimap   all of it in a few cells                export    Mermaid, DOT, JSON, SVG

`cycles` and `critical` answer questions about the shape. With textual: `theme` has the colours, `brush`, `overlay` and
`ground` paint boxes, lines and what lies behind named groups, `picture` shows a layout, `stage` decides which one, and
`widget` is GraphCanvas, what the hand does with it.

A net is what makes the picture true: all links in one gap between levels that have the same set of targets share one
trunk, each net reaches a target on a row of its own, and lines meet nowhere else (`route`).
"""
