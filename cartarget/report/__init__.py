"""One offline HTML file to argue over."""
