"""How far a faster precision moves results: the parity gate, and int8 versions of models."""
