"""The screens: Compose, Live, Queues, and the windows that open above them."""
