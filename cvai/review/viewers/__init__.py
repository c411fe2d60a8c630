"""What the browser draws: images, labels and tables, as files it takes as they are."""
