"""What requests to models consume and cost, and who pays."""
