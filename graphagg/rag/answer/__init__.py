"""An LLM's answer from retrieved passages, with checked citations."""
