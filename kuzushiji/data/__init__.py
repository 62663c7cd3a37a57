"""What a page is: files, labels, images, vocabulary, folds. Reads raw data; knows no torch."""
