"""What telephone providers send over HTTP, how it is checked and answered, and their REST APIs."""
