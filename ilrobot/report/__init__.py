"""What a person looks at afterwards: plots, videos and one self-contained HTML file."""
