"""What must hold in every world, apart from the system that has to keep it."""
