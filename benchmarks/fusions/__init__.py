"""Other ways to embed pieces and to make one embedding of them, beside the merge of graphagg."""
