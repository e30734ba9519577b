"""The parts that all three modes share: top bar, lines of status, footer, banner."""
