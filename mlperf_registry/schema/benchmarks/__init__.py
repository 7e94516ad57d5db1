"""Options that benchmark families own, one module each."""
