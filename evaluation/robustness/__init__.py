"""What swarms withstand, and whom they come to trust: noise in questions, hostile answers, hostile judges."""
